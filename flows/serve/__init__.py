"""The HTTP service with the champion."""
