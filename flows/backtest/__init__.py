"""Replay a log by time: what does retraining weekly, monthly or never gain?"""
