"""Tables of texts, and charts as plain values, drawn by matplotlib (PNG) and by plotly (interactive pages)."""
