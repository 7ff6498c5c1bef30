// What happens when the connection to the server is lost: say so, wait, load the page again.
// After a restart, and after a right was withdrawn, the new page meets the login.
(() => {
  const prefix = document.currentScript.dataset.prefix;
  const banner = () => document.getElementById("lost");
  let timer = 0, since = 0;

  async function look() {
    try {
      const answer = await fetch(`${prefix}/health`, { cache: "no-store" });
      if (answer.ok) location.reload();
    } catch { /* not yet */ }
  }
  function lost() {
    if (timer) return;
    since = Date.now();
    banner().hidden = false;
    timer = setInterval(look, 2000);
  }
  function back() {
    // After a longer time the server has dropped the session, and only a new page helps.
    if (!timer || Date.now() - since > 10000) return;
    clearInterval(timer);
    timer = 0;
    banner().hidden = true;
  }
  const wait = setInterval(() => {
    const page = window.Bokeh?.documents?.[0];
    if (!page) return;
    clearInterval(wait);
    page.on_event("connection_lost", lost);
    page.on_event("client_reconnected", back);
  }, 100);
})();
