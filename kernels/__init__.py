"""What a kernel can do: attach to Dask, cut shapes, pick them on a map."""
