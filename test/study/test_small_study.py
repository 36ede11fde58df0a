# SPDX-License-Identifier: Apache-2.0
"""The small study from composites to the report, twice: no second training, no other digit."""

from dataclasses import replace

import pytest

WHY = 'the extra `study`; `make study` has it'
pytest.importorskip('torch', reason=WHY)
pytest.importorskip('torchvision', reason=WHY, exc_type=ImportError)
pytest.importorskip('pycocotools', reason=WHY)

from anon_ros.errors import ModelError, UsageError  # noqa: E402
from anon_ros.study.composites import Composition, compose  # noqa: E402
from anon_ros.study.plan import StudyPlan  # noqa: E402
from anon_ros.study.run import read_result, run_study  # noqa: E402
from anon_ros.study.study_file import PixelReading, load_study  # noqa: E402
from anon_ros.study.table import to_csv  # noqa: E402
from anon_ros.study.trainings import Crew  # noqa: E402


def small_study(street):
    study = load_study('small')
    schedule = replace(
        study.schedule, iterations=40, warm_up=10, steps=(30,), batch=4, checkpoint_every=20)
    model = replace(study.model, shorter_px=(96,), test_shorter_px=96, longest_px=172)
    measures = replace(study.measures, agreement_images=6, attacked_people=24)
    return replace(
        study, schedule=schedule, model=model, measures=measures, seeds=(0,),
        pixel_readings=(PixelReading('street', str(street), (9, 10), (11,)),))


@pytest.fixture(scope='module')
def plan(shared_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    data = shared_dir / 'data'
    compose(Composition(
        data / 'people_synthetic', data / 'plates', (80, 16), (172, 96), 5, (30.0, 80.0)),
        folder / 'set')
    street = folder / 'street'
    street.mkdir()
    for path in sorted((data / 'street/frames').iterdir())[:6]:
        (street / path.name).symlink_to(path)
    return StudyPlan(
        small_study(street), folder / 'set', folder / 'out', crew=Crew(2), device='cpu', threads=1)


@pytest.fixture(scope='module')
def variants(plan):
    """Return the names that can be made here: realistic ones need their weights."""
    names = [each.name for each in plan.study.variants]
    try:
        run_study(plan)
    except ModelError:
        names = [each.name for each in plan.study.variants if each.method != 'realistic']
        run_study(replace(plan, only=tuple(names)))
    return names


def weights(plan):
    return {path.parent.name: path.stat().st_mtime_ns
            for path in plan.out.glob('trainings/*/weights.pt')}


def test_every_stage_is_done_for_every_variant(plan, variants):
    result = read_result(plan.out)
    done = {each.name: each for each in result.variants if each.seeds}
    assert list(done) == variants
    for name, variant in done.items():
        (seed,) = variant.seeds
        assert seed.evaluation.tool.startswith('pycocotools')
        assert 0 <= seed.evaluation.overall.ap <= 100
        assert [each.name for each in seed.pixels] == ['street']
        assert variant.images.missing == 0
        if name != 'original':
            assert variant.images.hidden
            assert {each.network for each in variant.agreement} <= {'YOLOX-nano', 'DeepLab'}
    assert len(done['original'].seeds[0].evaluation.by_class) == 1
    assert len({each.images.fingerprint for each in done.values()}) == len(done)
    assert len({each.seeds[0].weights_sha256 for each in done.values()}) == len(done)
    page = (plan.out / 'report.html').read_text()
    assert all(name in page for name in variants)
    assert (plan.out / 'table.tex').read_text().startswith(r'\begin{tabular}')


def test_masked_bodies_teach_less_than_people(plan, variants):
    result = {each.name: each for each in read_result(plan.out).variants}
    first, last = (result[name].seeds[0].evaluation.overall.ap50
                   for name in ('original', 'body mask-out'))
    assert first > last


def test_the_second_run_trains_nothing_and_says_the_same(plan, variants):
    before, table = weights(plan), (plan.out / 'table.csv').read_text()
    assert len(before) == len(variants)
    result = run_study(replace(plan, only=tuple(variants)))
    assert weights(plan) == before
    assert to_csv(result) == table


def test_a_seed_gives_the_same_digits_elsewhere(plan, variants):
    again = replace(plan, out=plan.out.with_name('again'), only=('original', 'body blur'))
    found = {each.name: each for each in run_study(again).variants}
    for each in read_result(plan.out).variants:
        if each.name in again.only:
            twin = found[each.name]
            assert twin.images.fingerprint == each.images.fingerprint
            assert twin.seeds[0].weights_sha256 == each.seeds[0].weights_sha256
            assert twin.seeds[0].evaluation == each.seeds[0].evaluation
            assert twin.seeds[0].pixels == each.seeds[0].pixels


def test_an_unknown_variant_is_named(plan):
    with pytest.raises(UsageError, match=r"no variant 'melt'; the study has original, "):
        run_study(replace(plan, only=('melt',)))


def test_a_training_that_fails_says_which_and_why(plan, variants, tmp_path):
    study = replace(plan.study, schedule=replace(plan.study.schedule, rate=1e30, warm_up=0))
    with pytest.raises(UsageError, match='original, seed 0: the training diverged'):
        run_study(replace(plan, study=study, out=tmp_path / 'out', only=('original',)))
