"""What the site is made with, beside the pages: `make docs`."""
