"""Pages for clinicians: the replay report now, the review pages later, out of the same templates. Floor: edge."""
