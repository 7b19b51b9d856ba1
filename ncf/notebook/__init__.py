"""What a notebook asks for: a model by its name, and a table of models beside baselines."""
