"""Rule packs that come with the project. Each is found through the entry point group `cds_rules.packs`, like anybody's."""
