// Reads segmentations with the code that OHIF runs, without a browser.
// On standard input: [{ sources: [file, ...], seg: file }, ...]; into the file that is named: [{ error } or { segments, overlapping, voxels }, ...], where
// voxels is the label map, as base64 of one byte for each voxel, slice by slice in the order of the sources.
import fs from 'node:fs';

globalThis.window ??= globalThis;
globalThis.self ??= globalThis;
globalThis.document ??= { createElement: () => ({ getContext: () => null }) };
const dcmjs = (await import('dcmjs')).default;
const { adaptersSEG } = await import('@cornerstonejs/adapters');
const core = await import('@cornerstonejs/core');
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;
dcmjs.log?.setLevel?.('silent');

const buffer = (file) => {
  const bytes = fs.readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
};
const headers = new Map();
const headerOf = (file) => {
  if (!headers.has(file)) headers.set(file, DicomMetaDictionary.naturalizeDataset(DicomMessage.readFile(buffer(file)).dict));
  return headers.get(file);
};

function modulesOf(image) {
  const position = image.ImagePositionPatient.map(Number);
  const orientation = image.ImageOrientationPatient.map(Number);
  const spacing = image.PixelSpacing.map(Number);
  const pixels = { rows: image.Rows, columns: image.Columns, bitsAllocated: image.BitsAllocated };
  return {
    instance: image,
    imagePlaneModule: {
      imagePositionPatient: position,
      imageOrientationPatient: orientation,
      rowCosines: orientation.slice(0, 3),
      columnCosines: orientation.slice(3),
      rows: image.Rows,
      columns: image.Columns,
      pixelSpacing: spacing,
      rowPixelSpacing: spacing[0],
      columnPixelSpacing: spacing[1],
      frameOfReferenceUID: image.FrameOfReferenceUID,
      sliceThickness: Number(image.SliceThickness),
    },
    generalSeriesModule: {
      modality: image.Modality,
      seriesInstanceUID: image.SeriesInstanceUID,
      studyInstanceUID: image.StudyInstanceUID,
    },
    sopCommonModule: { sopInstanceUID: image.SOPInstanceUID, sopClassUID: image.SOPClassUID },
    generalImageModule: { sopInstanceUID: image.SOPInstanceUID, instanceNumber: image.InstanceNumber },
    imagePixelModule: { ...pixels, pixelRepresentation: image.PixelRepresentation, samplesPerPixel: 1 },
  };
}

const known = new Map();
const get = (type, id) => known.get(id)?.[type];
core.metaData.addProvider(get, 1000);

function labelMap(groups) {
  const slices = groups[0].map((_, place) => {
    const [first, ...others] = groups.map((group) => group[place].voxelManager.getScalarData());
    const merged = Uint8Array.from(first);
    others.forEach((data) => data.forEach((value, at) => { if (value) merged[at] = value; }));
    return Buffer.from(merged);
  });
  return Buffer.concat(slices).toString('base64');
}

async function read({ sources, seg }, number) {
  const ids = sources.map((_, place) => `image:${number}-${place}`);
  sources.forEach((file, place) => known.set(ids[place], modulesOf(headerOf(file))));
  const { Segmentation } = adaptersSEG.Cornerstone3D;
  const found = await Segmentation.createFromDICOMSegBuffer(ids, buffer(seg), { metadataProvider: { get } });
  const segments = found.segMetadata.data
    .filter(Boolean)
    .map((one) => [Number(one.SegmentNumber), one.SegmentLabel, one.RecommendedDisplayCIELabValue?.map(Number)]);
  const voxels = labelMap(found.labelMapImages);
  core.cache.purgeCache();
  return { segments, overlapping: Boolean(found.overlappingSegments), voxels };
}

const answers = [];
for (const [number, job] of JSON.parse(fs.readFileSync(0)).entries()) {
  answers.push(await read(job, number).catch((error) => ({ error: String(error?.message ?? error) })));
}
fs.writeFileSync(process.argv[2], JSON.stringify(answers));
process.exit();
