"""The REST interface ``/api/v1``: files in, predictions out, as clients of single model services know it."""
