"""Optuna studies over the settings of ncf. Knows ncf and Optuna, neither Prefect nor MLflow.

    problem = Problem("gmf", GMFRecipe(), space_of("gmf"), data)
    study = open_study("sqlite:///mlruns/optuna.db", "gmf on my log", problem)
    run_trials(study, BudgetConfig(trials=50, minutes=30))
    summarize(study).best

The same lines continue where a killed process stopped, and any number of processes may run them at the same time.
"""
