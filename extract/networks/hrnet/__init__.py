"""The paper's pose network: HRNet with SimCC heads, in the names of the published checkpoint."""
