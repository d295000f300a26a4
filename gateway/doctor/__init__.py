"""Examines a deployment part by part and says how to mend what is wrong (`manage.py doctor`)."""
