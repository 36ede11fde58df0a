# SPDX-License-Identifier: Apache-2.0
"""Install anon_ros: by colcon as an ament_python package, or by plain pip."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'anon_ros'
VERSION = '0.1.0'

EXTRAS = {
    'ros': [
        'ros-rclpy', 'ros-rmw-fastrtps-cpp', 'ros-sensor-msgs', 'ros-diagnostic-msgs',
        'ros-lifecycle-msgs', 'ros-std-srvs',
    ],
    'gan': ['torch>=2.5', 'safetensors>=0.4', 'onnx>=1.16'],
    'study': ['torch>=2.1', 'torchvision>=0.16', 'pycocotools>=2.0.7'],
    'fleet': ['ray>=2.9', 'fsspec>=2024.2'],
    's3': ['s3fs>=2024.2'],
    'gpu': ['onnxruntime-gpu>=1.17'],
    'people': ['torch>=2.5', 'torchvision>=0.20'],
    'demo': ['scikit-image>=0.22'],
    'sign': ['cryptography>=42'],
    'review': ['starlette>=0.40', 'uvicorn>=0.30'],
}
EXTRAS['attack'] = [
    'dlib-bin>=20.0', 'face-recognition-models>=0.3', 'onnxruntime>=1.17', 'rapidocr>=3.8',
]
EXTRAS['dev'] = [
    *EXTRAS['attack'], *EXTRAS['demo'], *EXTRAS['fleet'], *EXTRAS['review'], *EXTRAS['ros'],
    *EXTRAS['s3'], *EXTRAS['sign'],
    'colcon-common-extensions>=0.3', 'coverage>=7.4', 'flask>=3.0', 'flask-cors>=5.0',
    'hypothesis>=6.90', 'mcap>=1.1', 'moto>=5.0', 'mypy>=1.10', 'onnx>=1.16',
    'onnxruntime>=1.17', 'playwright>=1.45', 'pytest>=8.0', 'pytest-cov>=5.0',
    'pytest-xdist>=3.6', 'ruff>=0.6', 'types-PyYAML',
]

setup(
    name=NAME,
    version=VERSION,
    description='Anonymizes faces, people and licence plates in camera topics and rosbags.',
    author='The anon_ros developers',
    maintainer='The anon_ros developers',
    maintainer_email='maintainers@anon-ros.org',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: [
        'py.typed', 'audit/assets/*', 'detection/weights/*', 'gan/weights/*', 'review/assets/*',
        'study/assets/*', 'study/files/*', 'training/*.json',
    ]},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', sorted(map(str, Path('launch').glob('*.launch.py')))),
        (f'share/{NAME}/config', sorted(map(str, Path('config').glob('*.*ml')))),
    ],
    install_requires=[
        'av>=12.0',
        'Jinja2>=3.0',
        'jpeglib>=1.0.2',
        'lz4>=4.3',
        'numpy>=1.24',
        'opencv-python-headless>=4.9',
        'openvino>=2024.3',
        'pooch>=1.8',
        'PyYAML>=6.0',
        'rich>=13.0',
        'rosbags>=0.11.6',
        'typer>=0.12',
        'zstandard>=0.22',
    ],
    extras_require=EXTRAS,
    zip_safe=False,
    entry_points={'console_scripts': ['anon-ros = anon_ros.cli.main:run']},
)
