"""What tests share: wires, cases with the answers owed, capture files, players, oracles."""
