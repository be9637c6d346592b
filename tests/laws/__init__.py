"""Laws that hold for every patient, tried on random ones over the real evaluate with real FHIR JSON."""
