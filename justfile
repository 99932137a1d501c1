# The verbs of this project; `just` alone lists them.
_default:
    @just --list

# A whole region in a few seconds, then nothing is left of it
demo:
    cargo run --release -- demo

# Start a region in the foreground
run *flags:
    cargo run --release -- up {{flags}}

# Compile without building
check:
    cargo check --workspace --all-targets

# All tests; `just test cove-store` for one room
test room="":
    cargo test {{ if room == "" { "--workspace" } else { "-p " + room } }}

# Format and mend what the lints can mend
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty

# The house rules that a test can check
tidy:
    cargo xtask tidy

# The unmodified clients against a region (installs them first)
judge:
    bash tests/clients/install.sh
    COVE_REQUIRE_CLIENTS=1 cargo test -p cove --test it -- --nocapture

# Regenerate COVERAGE.md
coverage:
    cargo xtask coverage

# What CI does
ci:
    bash .ci/run
