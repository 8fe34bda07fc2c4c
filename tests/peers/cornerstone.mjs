// Read SEG files with cornerstone's adapters, the code that OHIF runs, without a browser.
//   node cornerstone.mjs PACKAGES SOURCES.json VOXELS SEG
// SOURCES.json holds what a viewer knows of each source image or frame. Writes one byte for each voxel, the number of its
// segment, in the order of the sources, and prints the segments as JSON.
import fs from 'fs';
import { createRequire } from 'module';
import { pathToFileURL } from 'url';
const [packages, sources, voxels, file] = process.argv.slice(2);
const load = async name => import(pathToFileURL(createRequire(`${packages}/package.json`).resolve(name)));
globalThis.window ??= globalThis;
globalThis.self ??= globalThis;
globalThis.document ??= { createElement: () => ({ getContext: () => null }) };
const { adaptersSEG } = await load('@cornerstonejs/adapters');
const core = await load('@cornerstonejs/core');
const images = JSON.parse(fs.readFileSync(sources));
const ids = images.map(n => `image:${n.SOPInstanceUID}` + (n.Frame ? `?frame=${n.Frame}` : ''));
const get = (type, id) => {
  const n = images[ids.indexOf(id)];
  if (!n) return;
  return {
    instance: n,
    imagePlaneModule: { imagePositionPatient: n.ImagePositionPatient, imageOrientationPatient: n.ImageOrientationPatient,
      rowCosines: n.ImageOrientationPatient.slice(0, 3), columnCosines: n.ImageOrientationPatient.slice(3), rows: n.Rows,
      columns: n.Columns, pixelSpacing: n.PixelSpacing, rowPixelSpacing: n.PixelSpacing[0],
      columnPixelSpacing: n.PixelSpacing[1], frameOfReferenceUID: n.FrameOfReferenceUID },
    generalSeriesModule: { modality: n.Modality, seriesInstanceUID: n.SeriesInstanceUID, studyInstanceUID: n.StudyInstanceUID },
    sopCommonModule: { sopInstanceUID: n.SOPInstanceUID, sopClassUID: n.SOPClassUID },
    generalImageModule: { sopInstanceUID: n.SOPInstanceUID },
    imagePixelModule: { rows: n.Rows, columns: n.Columns, bitsAllocated: 16, pixelRepresentation: 0, samplesPerPixel: 1 },
  }[type];
};
core.metaData.addProvider(get, 1000);
const bytes = fs.readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const began = performance.now();
const read = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(ids, buffer, { metadataProvider: { get } });
const seconds = (performance.now() - began) / 1000;
const planes = read.labelMapImages[0].map(image => Buffer.from(image.voxelManager.getScalarData()));
fs.writeFileSync(voxels, Buffer.concat(planes));
const code = sequence => { const item = [sequence].flat()[0]; return item && [item.CodeValue, item.CodingSchemeDesignator]; };
const segments = read.segMetadata.data.filter(Boolean).map(s => ({
  number: s.SegmentNumber, label: s.SegmentLabel, color: s.RecommendedDisplayCIELabValue.map(Number),
  category: code(s.SegmentedPropertyCategoryCodeSequence), type: code(s.SegmentedPropertyTypeCodeSequence),
}));
fs.writeSync(1, JSON.stringify({ layers: read.labelMapImages.length, overlapping: read.overlappingSegments, seconds, segments }));
process.exit();
