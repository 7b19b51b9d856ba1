"""MLflow: where it is, what is kept in it, and how it is found again."""

EPOCHS, BEST_EPOCH, SECONDS = "epochs", "best_epoch", "seconds"
BEST_VALIDATION = "best_validation"
PROTOCOLS = {"full": "full ranking", "sampled": "sampled candidates"}  # second part of a key, and in words
COLUMNS = {
    "HR@10 full": "test/full/hr_at_10",
    "NDCG@10 full": "test/full/ndcg_at_10",
    "HR@10 1+99": "test/sampled/hr_at_10",
    "NDCG@10 1+99": "test/sampled/ndcg_at_10",
}

COMPLETE, KEY, MODEL, FINGERPRINT = "ncf.complete", "ncf.key", "ncf.model", "ncf.fingerprint"  # tags of runs
REFIT = "refit"  # the model of a run, nested in another model's run, that trains it again on all data
SETTINGS, TUNING, TUNED_BY = "ncf.settings", "ncf.tuning", "ncf.tuned_by"
WEIGHTS_STATE, REMOVING, REMOVED = "ncf.weights", "removing", "removed"  # a tag of runs and versions, and its values
