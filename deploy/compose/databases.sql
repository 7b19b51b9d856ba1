-- Run once, when the volume of PostgreSQL is new. The image makes the database mlflow itself.
CREATE DATABASE prefect;
CREATE DATABASE optuna;
