"""Charts for MLflow: PNG by matplotlib, interactive pages by plotly."""
