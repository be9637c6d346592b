"""Pages for clinicians: the replay report and the review pages, out of the same templates. Floor: edge."""
