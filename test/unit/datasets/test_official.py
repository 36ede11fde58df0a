# SPDX-License-Identifier: Apache-2.0
"""
The official tools on what is written: each finds the truth to be perfect.

They need versions that the package does not: tools/official.txt holds them, and
`make official` runs these tests in an environment of their own.
"""

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.core.regions import Mask
from anon_ros.datasets.categories import BDD_SHAPES
from anon_ros.datasets.formats import create_dataset, open_dataset
from anon_ros.datasets.polygons import fill, rasterize
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance, silhouette, to_rle

WHY = 'an official tool; `make official` has it'
SIZE_WH = (1280, 720)
COPY = pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools with numpy 2


def need(module):
    """Skip without a tool, but not where they all have to be."""
    with warnings.catch_warnings():
        # What old tools say of their own dependencies is no concern of ours.
        warnings.simplefilter('ignore')
        if os.environ.get('ANON_ROS_OFFICIAL'):
            return importlib.import_module(module)
        return pytest.importorskip(module, reason=WHY)


def block(x, y, width, height, **more):
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    inside[y:y + height, x:x + width] = True
    inside[y + 5:y + height // 2, x + width // 2:x + width] = False
    return Instance(rle=rle.encode(Mask(inside, 0, 0), SIZE_WH), **more)


def records():
    """Two images with every category of BDD100K's silhouettes, keypoints and a crowd."""
    names = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
    found = []
    for number in (1, 2):
        points = tuple((40.0 + 3 * i, 50.0 + 5 * i, 2.0) for i in range(17))
        instances = [
            block(30 + 120 * i, 40 + 60 * number + 10 * i, 100, 160, id=str(i + 1), category=name,
                  keypoints=points if name == 'person' else None)
            for i, name in enumerate(names)
        ]
        instances.append(block(600, 500, 90, 120, id='9', category='person', is_occluded=True))
        instances.append(block(300, 500, 90, 120, id='10', category='car', is_crowd=True))
        found.append(ImageRecord(str(number), 'val', f'val/{number}.jpg', SIZE_WH,
                                 tuple(instances)))
    return found


def write(folder, name, given=None):
    image = cv2.imencode('.jpg', np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8))[1].tobytes()
    writer = create_dataset(folder, name, Problems())
    for record in given or records():
        writer.add(record, image)
    writer.close()
    return folder


def run(*arguments, env=None, cwd=None):
    result = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, 'MPLBACKEND': 'Agg', **(env or {})}, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.mark.parametrize('kind', ['bbox', 'segm', 'keypoints'])
def test_cocoeval_finds_the_truth_perfect(tmp_path, kind):
    need('pycocotools')
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    write(tmp_path, 'coco')
    name = 'person_keypoints' if kind == 'keypoints' else 'instances'
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / f'annotations/{name}_val.json'))
        results = []
        for annotation in truth.loadAnns(truth.getAnnIds(iscrowd=False)):
            result = {key: annotation[key] for key in ('image_id', 'category_id', 'bbox')}
            if kind == 'segm':
                result['segmentation'] = annotation['segmentation']
                del result['bbox']
            if kind == 'keypoints':
                result = {key: annotation[key] for key in (
                    'image_id', 'category_id', 'keypoints')}
            results.append({**result, 'score': 0.9})
        found = truth.loadRes(results)
        evaluation = COCOeval(truth, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


@COPY
def test_pycocotools_draws_the_same_outlines():
    coco = need('pycocotools.mask')
    random = np.random.default_rng(0)
    for i in range(300):
        width, height = (int(n) for n in random.integers(1, 90, 2))
        points = random.uniform(-20, 100, (int(random.integers(3, 12)), 2))
        points = points if i % 2 else np.rint(points)
        ours = masks.paste([rasterize([points], (width, height))], (width, height))
        drawn = coco.decode(coco.merge(coco.frPyObjects([points.ravel().tolist()], height, width)))
        assert (ours == drawn.astype(bool)).all(), points.tolist()


def test_pillow_draws_almost_the_same_cityscapes_polygons():
    need('PIL')
    from PIL import Image, ImageDraw

    random = np.random.default_rng(0)
    differing = total = 0
    for _ in range(100):
        points = random.integers(0, 200, (int(random.integers(3, 9)), 2))
        image = Image.new('L', (200, 200))
        ImageDraw.Draw(image).polygon([tuple(map(int, p)) for p in points], fill=1)
        drawn = np.asarray(image).astype(bool)
        differing += int((drawn != fill(points, (200, 200))).sum())
        total += int(drawn.sum())
    assert differing < 0.03 * total


@COPY
def test_the_people_samples_decode_as_pycocotools_does(shared_dir):
    coco = need('pycocotools.coco')
    people = shared_dir / 'data/people'
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(people / 'test_coco.json'))
    source = open_dataset(people, 'coco', Problems(), annotations=people / 'test_coco.json')
    for record in source.records():
        for instance in record.instances:
            ours = masks.paste([silhouette(instance, record.size_wh)], record.size_wh)
            assert (truth.annToMask(truth.anns[int(instance.id)]).astype(bool) == ours).all()


def cityscapes(folder):
    """A val split, and predictions that are the truth."""
    write(folder, 'cityscapes')
    results = folder / 'results'
    results.mkdir()
    for record in open_dataset(folder, 'cityscapes', Problems()).records():
        ids = cv2.imread(str(
            folder / f'gtFine/val/val/{record.id}_gtFine_instanceIds.png'), cv2.IMREAD_UNCHANGED)
        lines = []
        for value in np.unique(ids[ids >= 1000]):
            cv2.imwrite(str(results / f'{record.id}_{value}.png'),
                        (ids == value).astype(np.uint8) * 255)
            lines.append(f'{record.id}_{value}.png {value // 1000} 0.9\n')
        (results / f'{record.id}_pred.txt').write_text(''.join(lines))
    return results


def test_cityscapes_scripts_find_the_truth_perfect(tmp_path):
    need('cityscapesscripts')
    results = cityscapes(tmp_path)
    code = (
        'import sys, cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as e; '
        'e.args.gtInstancesFile = sys.argv[1]; e.args.JSONOutput = True; '
        'e.args.exportFile = sys.argv[2]; sys.argv = sys.argv[:1]; e.main()'
    )
    env = {'CITYSCAPES_DATASET': str(tmp_path), 'CITYSCAPES_RESULTS': str(results)}
    run('-c', code, tmp_path / 'gt.json', tmp_path / 'instances.json', env=env, cwd=tmp_path)
    averages = json.loads((tmp_path / 'instances.json').read_text())['averages']
    assert averages['allAp'] == pytest.approx(1.0)

    pixels = tmp_path / 'pixels'
    pixels.mkdir()
    for path in (tmp_path / 'gtFine').rglob('*_labelIds.png'):
        core = path.name.removesuffix('_gtFine_labelIds.png')
        (pixels / f'{core}_pred.png').write_bytes(path.read_bytes())
    code = (
        'import sys, cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as e; '
        'e.args.exportFile = sys.argv[1]; sys.argv = sys.argv[:1]; e.main()'
    )
    env['CITYSCAPES_RESULTS'] = str(pixels)
    run('-c', code, tmp_path / 'pixels.json', env=env, cwd=tmp_path)
    scores = json.loads((tmp_path / 'pixels.json').read_text())
    assert scores['averageScoreClasses'] == pytest.approx(1.0)


def test_cityscapes_scripts_draw_our_id_images(tmp_path):
    need('cityscapesscripts')
    write(tmp_path, 'cityscapes')
    for kind in ('LabelImgs', 'InstanceImgs'):
        code = (f'import cityscapesscripts.preparation.createTrainId{kind} as c; '
                'c.main() if c.main.__code__.co_argcount == 0 else c.main([])')
        run('-c', code, env={'CITYSCAPES_DATASET': str(tmp_path)})
    base = tmp_path / 'gtFine/val/val'
    drawn = sorted(base.glob('*_labelTrainIds.png'))
    assert len(drawn) == 2
    assert len(sorted(base.glob('*_instanceTrainIds.png'))) == 2
    from cityscapesscripts.helpers.labels import id2label

    for path in drawn:
        ours = cv2.imread(str(path).replace('labelTrainIds', 'labelIds'), cv2.IMREAD_UNCHANGED)
        expected = np.vectorize(lambda i: id2label[i].trainId % 256)(ours)
        share = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == expected).mean()
        # Outlines are bridged between the parts of a thing; all else is the same.
        assert share > 0.995


def scores_of(folder, target):
    """Score file of bitmasks that are the truth."""
    found = [
        {'name': f'{record.id}.jpg', 'labels': [
            {'id': str(k), 'index': k, 'score': 0.9}
            for k, _ in enumerate(record.instances, 1)]}
        for record in open_dataset(folder, 'bdd100k', Problems()).records()
    ]
    target.write_text(json.dumps(found))
    return target


def test_bdd100k_finds_the_truth_perfect(tmp_path):
    need('bdd100k')
    need('scalabel')
    folder = write(tmp_path / 'bdd', 'bdd100k')
    labels = folder / 'labels/ins_seg'
    scores = scores_of(folder, tmp_path / 'scores.json')
    run('-m', 'bdd100k.eval.run', '-t', 'ins_seg', '-g', labels / 'bitmasks/val',
        '-r', labels / 'bitmasks/val', '--score-file', scores, '--out-file',
        tmp_path / 'ins_seg.json', '--nproc', '1')
    result = json.loads((tmp_path / 'ins_seg.json').read_text())
    assert result['AP'][-1]['OVERALL'] == pytest.approx(100)

    boxes = [replace(record, split='100k/val', instances=tuple(
        replace(each, is_crowd=False) for each in record.instances)) for record in records()]
    write(folder, 'bdd100k', boxes)
    truth = folder / 'labels/det_20/det_val.json'
    guesses = json.loads(truth.read_text())
    for frame in guesses:
        for label in frame['labels']:
            label['score'] = 0.9
    (tmp_path / 'det.json').write_text(json.dumps(guesses))
    run('-m', 'bdd100k.eval.run', '-t', 'det', '-g', truth, '-r', tmp_path / 'det.json',
        '--out-file', tmp_path / 'det_result.json', '--nproc', '1')
    result = json.loads((tmp_path / 'det_result.json').read_text())
    assert [result['AP'][0][name] for name in BDD_SHAPES] == pytest.approx([100] * 8)


def test_bdd100k_converts_what_we_write(tmp_path):
    need('bdd100k')
    folder = write(tmp_path / 'bdd', 'bdd100k')
    labels = folder / 'labels/ins_seg'
    polygons = labels / 'polygons/ins_seg_val.json'
    run('-m', 'bdd100k.label.to_mask', '-m', 'ins_seg', '-i', polygons,
        '-o', tmp_path / 'masks', '--nproc', '1')
    for path in (labels / 'bitmasks/val').glob('*.png'):
        ours, theirs = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED)
                        for p in (path, tmp_path / 'masks' / path.name))
        assert (ours == theirs).all(axis=2).mean() > 0.98
    run('-m', 'bdd100k.label.to_coco', '-m', 'ins_seg', '-i', polygons,
        '-o', tmp_path / 'coco.json', '--nproc', '1')
    value = json.loads((tmp_path / 'coco.json').read_text())
    assert len(value['annotations']) == 20
    scores = scores_of(folder, tmp_path / 'scores.json')
    run('-m', 'bdd100k.label.to_rle', '-m', 'ins_seg', '-i', labels / 'bitmasks/val',
        '-s', scores, '-o', tmp_path / 'rles.json', '--nproc', '1')
    converted = json.loads((tmp_path / 'rles.json').read_text())
    frames = converted['frames'] if isinstance(converted, dict) else converted
    given = {f'{r.id}.jpg': [to_rle(i, SIZE_WH) for i in r.instances]
             for r in open_dataset(folder, 'bdd100k', Problems()).records()}
    for frame in frames:
        assert sorted(label['rle']['counts'] for label in frame['labels']) == sorted(
            given[frame['name']])


def test_scalabel_loads_what_we_write(tmp_path):
    scalabel = need('scalabel.label.io')
    folder = write(tmp_path, 'bdd100k')
    for kind in ('rles', 'polygons'):
        dataset = scalabel.load(str(folder / f'labels/ins_seg/{kind}/ins_seg_val.json'))
        assert [len(frame.labels) for frame in dataset.frames] == [10, 10]
        assert dataset.frames[0].labels[8].attributes['occluded']


def test_paper_pixels_are_those_of_pillow(tmp_path):
    need('PIL')
    from PIL import Image

    from anon_ros.datasets.crops import bicubic
    from anon_ros.datasets.files import encode_jpeg

    # Pillow cuts off what overshoots between its two passes: nothing does here.
    image = np.random.default_rng(0).integers(90, 160, (37, 53, 3), np.uint8)
    for size_wh in ((20, 30), (80, 19), (128, 128)):
        ours = np.clip(np.rint(bicubic(image, size_wh)), 0, 255)
        theirs = np.asarray(Image.fromarray(image).resize(size_wh, Image.Resampling.BICUBIC))
        assert np.abs(ours - theirs).max() <= 1
    path = Path(tmp_path / 'pillow.jpg')
    Image.fromarray(image[..., ::-1].copy()).save(path, quality=100, subsampling=0)
    ours = cv2.imdecode(np.frombuffer(encode_jpeg(image), np.uint8), cv2.IMREAD_COLOR)
    assert (ours == cv2.imread(str(path))).all()
