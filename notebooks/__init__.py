"""The notebooks that come with Boathouse: tutorials for people, recipes for the automation."""
