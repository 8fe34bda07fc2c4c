// Configuration of OHIF for the archive beside ainode: the viewer and /dicom-web come from one origin, read only.
// `ainode_orthanc.viewer` serves it as /app-config.js; a site's own OHIF can take it as it is.

// OHIF 3.13 shows a report on a stack of images, where it draws only what names an image: of a line in millimetres
// (SCOORD3D) it draws nothing, and at a group without any coordinates, as of something that was not found, it stops
// and stays black. So each line is laid on the image that is nearest to where it begins, under the name of its finding,
// and a group without coordinates is shown as its source image with nothing on it. Changes nothing in the archive.
function placeOnImage({ measurement, SeriesInstanceUID }) {
  const placed = measurement.coords[0];
  if (placed && (placed.ValueType === 'SCOORD' || placed.ReferencedSOPSequence)) {
    return measurement;
  }
  const group = measurementGroup(SeriesInstanceUID, measurement.TrackingUniqueIdentifier);
  const source = valueOf(group, '121232', 'UID') || valueOf(group, '112002', 'UID');
  const image = placed ? imageNearest(source, placed.GraphicData) : valueOf(group, '121324', 'ReferencedSOPSequence');
  const drawn = placed && image ? lineOn(image.imageId, placed.GraphicData) : [];
  measurement.coords = [
    {
      ValueType: 'SCOORD',
      GraphicType: drawn.length ? placed.GraphicType : 'MULTIPOINT',
      GraphicData: drawn,
      ReferencedSOPSequence: image && {
        ReferencedSOPInstanceUID: image.ReferencedSOPInstanceUID,
        ReferencedFrameNumber: image.ReferencedFrameNumber,
      },
    },
  ];
  const finding = valueOf(group, '121071', 'ConceptCodeSequence');
  if (finding) {
    measurement.labels.unshift({ label: 'Finding', value: asList(finding)[0].CodeMeaning });
  }
  return measurement;
}

// The Measurement Group (125007, DCM) with this Tracking Unique Identifier, of the newest report of a series.
function measurementGroup(series, trackingUid) {
  const report = window.services.displaySetService.getActiveDisplaySets().find(each => each.SeriesInstanceUID === series);
  const measurements = asList(report.instance.ContentSequence).find(item => isNamed(item, '126010'));
  return asList(measurements && measurements.ContentSequence).find(item => valueOf(item, '112040', 'UID') === trackingUid);
}

// The image of a series whose plane is nearest to the first of some points (LPS, mm).
function imageNearest(series, points) {
  const of = window.services.displaySetService.getActiveDisplaySets().find(each => each.SeriesInstanceUID === series);
  const [source] = window.extensionManager.getActiveDataSource();
  const distance = imageId => {
    const plane = window.cornerstone.metaData.get('imagePlaneModule', imageId);
    const [r, c] = [plane.rowCosines, plane.columnCosines];
    const normal = [r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0]];
    return Math.abs(normal.reduce((sum, cosine, k) => sum + cosine * (points[k] - plane.imagePositionPatient[k]), 0));
  };
  const ids = of ? Array.from(source.getImageIdsForDisplaySet(of)) : [];
  const imageId = ids.sort((a, b) => distance(a) - distance(b))[0];
  const parts = imageId && imageId.match(/\/instances\/([^/]+)\/frames\/(\d+)/);
  return parts && { imageId, ReferencedSOPInstanceUID: parts[1], ReferencedFrameNumber: Number(parts[2]) };
}

// Points (LPS, mm) as columns and rows of an image, straight above or below it.
function lineOn(imageId, points) {
  const places = [];
  for (let at = 0; at + 2 < points.length; at += 3) {
    places.push(...window.cornerstone.utilities.worldToImageCoords(imageId, Array.from(points).slice(at, at + 3)));
  }
  return places;
}

function valueOf(item, code, keyword) {
  const found = asList(item && item.ContentSequence).find(each => isNamed(each, code));
  return found && found[keyword];
}

function isNamed(item, code) {
  return asList(item.ConceptNameCodeSequence).some(name => name.CodeValue === code);
}

function asList(value) {
  return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
}

window.config = {
  routerBasename: null,
  extensions: [],
  modes: [],
  customizationService: [
    {
      onBeforeSRAddMeasurement: { $set: placeOnImage },
      'ohif.tours': { $set: [] }, // what the archive holds is looked at on many workplaces, by people who know a viewer
    },
  ],
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  // A segmentation that is opened is shown at once, without "Do you want to open this Segmentation?".
  disableConfirmationPrompts: true,
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  defaultDataSourceName: 'archive',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'archive',
      configuration: {
        friendlyName: 'Archive',
        name: 'archive',
        wadoUriRoot: '/wado',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: false,
        supportsReject: false,
        supportsStow: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        dicomUploadEnabled: false,
        bulkDataURI: { enabled: true },
      },
    },
  ],
};
