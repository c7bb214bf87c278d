"""The demo: embedded SSH hosts on loopback, a small project for them, and what is shown with it."""
