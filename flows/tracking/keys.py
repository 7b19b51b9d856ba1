"""Keys in MLflow that more than one module uses: metrics, all of which docs/metrics.md has, and a tag."""

EPOCHS, BEST_EPOCH, SECONDS = "epochs", "best_epoch", "seconds"
BEST_VALIDATION = "best_validation"
PROTOCOLS = {"full": "full ranking", "sampled": "sampled candidates"}  # second part of a key, and in words
COLUMNS = {
    "HR@10 full": "test/full/hr_at_10",
    "NDCG@10 full": "test/full/ndcg_at_10",
    "HR@10 1+99": "test/sampled/hr_at_10",
    "NDCG@10 1+99": "test/sampled/ndcg_at_10",
}
WEIGHTS_STATE, REMOVING, REMOVED = "ncf.weights", "removing", "removed"  # tag of a version or a run, and its values
