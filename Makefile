# Needs GNU make (3.81 or later), a POSIX shell and Python 3.11 to 3.14, nothing else.
# Each command first makes .venv and installs what it needs, if that is not done yet.

python = .venv/bin/python
comma = ,

# Loopback never goes through a proxy. Some programs read the one, some the other.
bypass := $(or $(no_proxy),$(NO_PROXY))
ifneq ($(strip $(bypass)),*)
export no_proxy := $(if $(bypass),$(bypass)$(comma))127.0.0.1,localhost
export NO_PROXY := $(no_proxy)
endif

# These would make .venv run on another Python's library, or not find this folder.
unexport PYTHONHOME PYTHONSAFEPATH

# What a shell has lying around must not reach tests and benchmarks.
forget = unset SLACK_BOT_TOKEN SLACK_APP_TOKEN SLACK_SIGNING_SECRET SLACK_API_URL \
	OPENAI_API_KEY OPENAI_BASE_URL OPENAI_MODEL ASSISTANT_API ASSISTANT_ID \
	ASSISTANT_STATE \
	DATABASE_URL LISTEN_DATABASE_URL AUTO_MIGRATE HOST PORT WEB_API_TOKEN \
	FIRST_PAINT NATIVE_STREAMS NOTIFY_AFTER ALLOWED_CHANNELS ALLOW_GUESTS \
	ALLOW_EXTERNAL ALLOWED_BOTS ALLOWED_LINK_HOSTS TURNS_PER_PERSON_PER_HOUR SHOW_USAGE \
	SANDBOX_MODEL

.PHONY: help run sandbox fresh test check bench chaos runtime development measuring

help:
	@echo 'make run      serve the Slack workspace in .env, or else the sandbox'
	@echo 'make sandbox  a small Slack on this machine, with Threadline in it'
	@echo 'make fresh    empty the sandbox'
	@echo 'make test     all tests that this machine can run; ARGS="-k stop" for some'
	@echo 'make check    format, lint, types, layers'
	@echo 'make bench    how fresh answers are; ARGS=all for all benchmarks, ARGS=ingest for one'
	@echo 'make chaos    a storm of faults; DURATION=300 SEED=1 REPLICAS=3, all optional'

run: runtime
	@exec $(python) -m app run $(ARGS)

sandbox: runtime
	@exec $(python) -m app sandbox --with-bot $(ARGS)

fresh: runtime
	@$(python) .ci/fresh.py

# Most tests wait for something, so more of them run at once than there are cores. In the
# order of the folders: a few long ones would else be left for the end.
test: development
	@$(forget); exec $(python) -m pytest -n 4 --dist loadscope --no-loadscope-reorder $(ARGS)

check: development
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	$(python) .venv/bin/lint-imports

bench: measuring
	@$(forget); exec $(python) -m bench $(ARGS)

# The words are passed on as they are; what is not given is for the program to choose.
chaos: development
	@$(forget); exec $(python) -m bench.chaos \
	$(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED)) \
	$(if $(REPLICAS),--replicas $(REPLICAS)) $(ARGS)

runtime:
	@sh .ci/setup requirements.lock

# Holds the runtime's packages too, in the same versions.
development:
	@sh .ci/setup requirements-dev.lock

# Holds the development's, and what the program is measured against.
measuring:
	@sh .ci/setup requirements-bench.lock
