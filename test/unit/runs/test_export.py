# SPDX-License-Identifier: Apache-2.0
"""Training sets from bags: what is chosen, how it is named, and what never leaves."""

import json

import cv2
import numpy as np
import pytest
from bag_builder import STORE, MagentaDetector, picture, shows_magenta

from anon_ros.audit.manifest import is_anonymized
from anon_ros.core.settings import Settings
from anon_ros.datasets.formats import FORMATS, open_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.selection import Rule, TimeSplit
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.export import GPS_NOTE, NO_PEOPLE_NOTE, ExportJob, export_bag
from anon_ros.runs.export_survey import RideTopics

CAMERA, CAMERA2, INFO = '/front/image_raw', '/rear/image/compressed', '/front/camera_info'
SECOND = 10**9
FRAMES = 40


def vector(x, y, z):
    return STORE.types['geometry_msgs/msg/Vector3'](x=x, y=y, z=z)


def add_ride(builder, header):
    types = STORE.types
    zeros = np.zeros(36)
    quaternion = types['geometry_msgs/msg/Quaternion'](x=-0.5, y=0.5, z=-0.5, w=0.5)
    info = types['sensor_msgs/msg/CameraInfo'](
        header=header(0), height=64, width=96, distortion_model='plumb_bob',
        d=np.zeros(5), k=np.array([50.0, 0, 48, 0, 51, 32, 0, 0, 1]), r=np.eye(3).ravel(),
        p=np.array([50.0, 0, 48, -10, 0, 51, 32, 0, 0, 0, 1, 0]), binning_x=0, binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False))
    builder.messages.append((INFO, 0, info))
    transform = types['geometry_msgs/msg/TransformStamped'](
        header=types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0), frame_id='base_link'),
        child_frame_id='camera_optical',
        transform=types['geometry_msgs/msg/Transform'](
            translation=vector(1.5, 0.25, 1.2), rotation=quaternion))
    builder.messages.append((
        '/tf_static', 0, types['tf2_msgs/msg/TFMessage'](transforms=[transform])))
    for second in range(FRAMES):
        pose = types['geometry_msgs/msg/PoseWithCovariance'](
            pose=types['geometry_msgs/msg/Pose'](
                position=types['geometry_msgs/msg/Point'](x=2.0 * second, y=0.0, z=0.0),
                orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)),
            covariance=zeros)
        twist = types['geometry_msgs/msg/TwistWithCovariance'](
            twist=types['geometry_msgs/msg/Twist'](
                linear=vector(2.0, 0.0, 0.0), angular=vector(0.0, 0.0, 0.125)), covariance=zeros)
        builder.messages.append(('/odom', second * SECOND, types['nav_msgs/msg/Odometry'](
            header=header(second), child_frame_id='base_link', pose=pose, twist=twist)))
        status = types['sensor_msgs/msg/NavSatStatus'](status=0, service=1)
        builder.messages.append(('/gps', second * SECOND, types['sensor_msgs/msg/NavSatFix'](
            header=header(second), status=status, latitude=48.5, longitude=9.25, altitude=0.0,
            position_covariance=np.zeros(9), position_covariance_type=0)))


@pytest.fixture
def bag(builder, tmp_path):
    """An anonymized bag: two cameras at 1 Hz; a frame of the first cannot be looked into."""
    add_ride(builder, builder._header)
    for second in range(FRAMES):
        image = picture(second)
        if second == 3:
            image[0, 0] = (0, 255, 0)
        builder.raw(CAMERA, second * SECOND + 1, image)
        builder.jpeg(CAMERA2, second * SECOND + 2, picture(second + 100))
    builder.messages.sort(key=lambda item: item[1])
    source = builder.write(tmp_path / 'source')
    anonymize_bag(
        BagJob(source, tmp_path / 'city_drive'), Settings(target=('face',), window_s=0.0),
        detector=MagentaDetector())
    return tmp_path / 'city_drive'


def images(root):
    return sorted(p for p in root.rglob('*') if p.suffix in {'.jpg', '.png'}
                  and 'gtFine' not in str(p))


@pytest.mark.parametrize('name', FORMATS)
def test_every_format_reads_back_and_shows_nobody(bag, tmp_path, name):
    job = ExportJob(bag, tmp_path / 'out', name, rule=Rule(0.5), gap_s=2, pseudo_labels=True)
    result = export_bag(job)
    written = images(tmp_path / 'out')
    assert sum(result.images.values()) == len(written) > 20
    assert set(result.images) == {'train', 'val', 'test'}
    assert not any(shows_magenta(cv2.imread(str(path))) for path in written)
    assert is_anonymized(tmp_path / 'out')
    assert not (tmp_path / 'out.partial').exists()
    records = list(open_dataset(tmp_path / 'out', name, Problems()).records())
    assert len(records) == len(written)
    assert all(record.size_wh == (96, 64) for record in records)


def test_a_bag_without_manifest_is_refused(builder, tmp_path):
    builder.raw(CAMERA, 1, picture())
    source = builder.write(tmp_path / 'source')
    job = ExportJob(source, tmp_path / 'out', 'coco')
    with pytest.raises(UsageError, match='no manifest says that it is anonymized'):
        export_bag(job)
    assert not (tmp_path / 'out').exists()
    told = ExportJob(source, tmp_path / 'out', 'coco', allow_original=True)
    assert export_bag(told).images == {'train': 1}
    assert not is_anonymized(tmp_path / 'out')
    assert json.loads((tmp_path / 'out/anon/export.json').read_text())['is_anonymized'] is False


def test_a_bag_that_changed_since_is_refused(bag, tmp_path):
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes() + b' ')
    with pytest.raises(UsageError, match='no manifest'):
        export_bag(ExportJob(bag, tmp_path / 'out', 'coco'))


def test_withheld_frames_are_left_out(bag, tmp_path):
    result = export_bag(ExportJob(bag, tmp_path / 'out', 'coco', rule=Rule(0), gap_s=0))
    assert result.left_out == {'withheld when the bag was anonymized': 1}
    assert sum(result.images.values()) == 2 * FRAMES - 1


def test_copied_cameras_are_not_exported(builder, tmp_path):
    builder.raw(CAMERA, 1, picture())
    builder.raw('/other/image_raw', 2, picture())
    source = builder.write(tmp_path / 'source')
    anonymize_bag(
        BagJob(source, tmp_path / 'done', copied=('/other/image_raw',)),
        Settings(target=('face',), window_s=0.0), detector=MagentaDetector())
    with pytest.raises(UsageError, match='copied as it was'):
        export_bag(ExportJob(tmp_path / 'done', tmp_path / 'out', 'coco',
                             topics=('/other/image_raw',)))
    assert export_bag(ExportJob(tmp_path / 'done', tmp_path / 'out', 'coco')).images == {
        'train': 1}


def test_cityscapes_has_its_names_calibration_and_motion(bag, tmp_path):
    job = ExportJob(
        bag, tmp_path / 'out', 'cityscapes', topics=(CAMERA,), rule=Rule(0), gap_s=0,
        ride=RideTopics(odometry='/odom'))
    result = export_bag(job)
    core = 'citydrive_000000_000000'
    image = cv2.imread(str(tmp_path / f'out/leftImg8bit/train/citydrive/{core}_leftImg8bit.png'))
    assert image.shape == (64, 96, 3)
    camera = json.loads((tmp_path / f'out/camera/train/citydrive/{core}_camera.json').read_text())
    assert camera['intrinsic'] == {'fx': 50.0, 'fy': 51.0, 'u0': 48.0, 'v0': 32.0}
    extrinsic = camera['extrinsic']
    assert [extrinsic[key] for key in 'xyz'] == [1.5, 0.25, 1.2]
    assert extrinsic['baseline'] == pytest.approx(0.2)
    assert [extrinsic[key] for key in ('yaw', 'pitch', 'roll')] == pytest.approx([0, 0, 0])
    vehicle = json.loads(
        (tmp_path / f'out/vehicle/train/citydrive/{core}_vehicle.json').read_text())
    assert vehicle == {'speed': 2.0, 'yawRate': 0.125}
    assert result.notes == []


def test_gps_is_written_on_request_only_and_noted(bag, tmp_path):
    job = ExportJob(bag, tmp_path / 'out', 'cityscapes', topics=(CAMERA,),
                    ride=RideTopics(gps='/gps'))
    result = export_bag(job)
    assert GPS_NOTE in result.notes
    file = next((tmp_path / 'out/vehicle').rglob('*_vehicle.json'))
    assert json.loads(file.read_text())['gpsLatitude'] == 48.5


def test_frames_are_chosen_by_distance(bag, tmp_path):
    job = ExportJob(
        bag, tmp_path / 'out', 'bdd100k', topics=(CAMERA2,), rule=Rule(0, distance_m=10),
        gap_s=0, ride=RideTopics(odometry='/odom'))
    assert sum(export_bag(job).images.values()) == FRAMES // 5


def test_frames_are_chosen_by_change(builder, tmp_path):
    for second in range(8):
        builder.raw(CAMERA, second * SECOND, picture(second // 4, squares=()))
    source = builder.write(tmp_path / 'source')
    job = ExportJob(source, tmp_path / 'out', 'coco', rule=Rule(0, change=2), gap_s=0,
                    allow_original=True)
    assert sum(export_bag(job).images.values()) == 2


def test_jpegs_stay_byte_for_byte_and_attributes_are_given(bag, tmp_path):
    job = ExportJob(bag, tmp_path / 'out', 'bdd100k', topics=(CAMERA2,), rule=Rule(0), gap_s=0,
                    attributes={'weather': 'rainy'})
    export_bag(job)
    frames = json.loads((tmp_path / 'out/labels/det_20/det_train.json').read_text())
    assert frames[0]['name'] == 'citydrive-0-0000001.jpg'
    assert frames[0]['attributes'] == {
        'weather': 'rainy', 'scene': 'undefined', 'timeofday': 'undefined'}
    assert frames[1]['timestamp'] == 1000
    assert 'labels' not in frames[0]


def test_pseudo_labels_say_that_they_are(bag, tmp_path):
    job = ExportJob(bag, tmp_path / 'out', 'coco', topics=(CAMERA,), pseudo_labels=True)
    assert NO_PEOPLE_NOTE in export_bag(job).notes
    value = json.loads((tmp_path / 'out/annotations/instances_train.json').read_text())
    assert {each['name'] for each in value['categories']} == {'face'}
    assert all(each['is_pseudo'] for each in value['annotations'])
    assert value['annotations']
    other = ExportJob(bag, tmp_path / 'city', 'cityscapes', topics=(CAMERA,), pseudo_labels=True)
    export_bag(other)
    drive = ExportJob(bag, tmp_path / 'bdd', 'bdd100k', topics=(CAMERA,), pseudo_labels=True)
    export_bag(drive)
    assert (tmp_path / 'bdd/pseudo/annotations/instances_train.json').is_file()
    beside = tmp_path / 'city/pseudo/annotations/instances_train.json'
    assert len(json.loads(beside.read_text())['annotations']) == len(value['annotations'])


@pytest.mark.parametrize(('change', 'error', 'text'), [
    ({'city': 'a_b'}, UsageError, 'underscore'),
    ({'attributes': {'weather': 'nice'}}, UsageError, 'none of rainy'),
    ({'topics': ('/odom',)}, UsageError, 'no camera topic'),
    ({'ride': RideTopics(imu='/imu')}, UsageError, '/imu is not in'),
    ({'ride': RideTopics(odometry='/gps')}, UsageError, 'name a topic of the type'),
    ({'format': 'kitti'}, UsageError, 'unknown'),
    ({'shares': (0.5, 0.1, 0.1)}, UsageError, 'sum to 1'),
])
def test_what_cannot_be_is_said(bag, tmp_path, change, error, text):
    given = {'format': 'coco', **change}
    with pytest.raises(error, match=text):
        export_bag(ExportJob(bag, tmp_path / 'out', **given))
    assert not (tmp_path / 'out').exists()
    assert not (tmp_path / 'out.partial').exists()


def test_nothing_is_overwritten(bag, tmp_path):
    (tmp_path / 'out').mkdir()
    with pytest.raises(OutputError, match='exists already'):
        export_bag(ExportJob(bag, tmp_path / 'out', 'coco'))
    with pytest.raises(InputError, match='no such'):
        export_bag(ExportJob(tmp_path / 'nothing', tmp_path / 'new', 'coco'))


def test_splits_have_a_gap_between_them():
    split = TimeSplit(0, 100 * SECOND, (0.8, 0.1, 0.1), 4)
    assert [split.of(s * SECOND) for s in (0, 77, 79, 81, 83, 89, 95, 100)] == [
        'train', 'train', None, None, 'val', None, 'test', 'test']
    assert TimeSplit(0, 100, (1.0, 0.0, 0.0), 4).of(100) == 'train'
    assert TimeSplit(0, 100, (0.0, 0.0, 1.0), 4).of(0) == 'test'


@pytest.mark.parametrize('storage', ['sqlite3', 'ros1'])
def test_bags_of_every_kind_are_exported(builder, tmp_path, storage):
    for second in range(3):
        builder.raw(CAMERA, second * SECOND + 1, picture(second))
    source = builder.write(tmp_path / 'source', storage)
    job = ExportJob(source, tmp_path / 'out', 'coco', rule=Rule(0), gap_s=0, allow_original=True)
    assert sum(export_bag(job).images.values()) == 3


def test_a_jpeg_with_exif_is_encoded_anew(builder, tmp_path):
    data = cv2.imencode('.jpg', picture())[1].tobytes()
    place = b'Exif\0\0where it was taken'
    segment = b'\xff\xe1' + (len(place) + 2).to_bytes(2, 'big') + place
    builder.compressed(CAMERA2, 1, data[:2] + segment + data[2:])
    source = builder.write(tmp_path / 'source')
    export_bag(ExportJob(source, tmp_path / 'out', 'bdd100k', allow_original=True))
    written, = images(tmp_path / 'out')
    assert b'where it was taken' not in written.read_bytes()
