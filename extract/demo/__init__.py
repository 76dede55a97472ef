"""The embedded demo data set: procedurally drawn people, rendered to real video files with ground truth."""
