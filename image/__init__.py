"""What an image holds, and what it is made of: built from the lock, the same bytes each time.

lock           what the lock pins, and what of it a function needs
tree           the tree of a function's image, which the Dockerfile copies
sbom           a CycloneDX bill of materials of the project, and of each image
advisories     whether a pinned version is known to be vulnerable
"""
