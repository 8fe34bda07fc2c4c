// Holds resources against R4 with Lantana's "fhir". On standard input: [resource, ...]; into the file that is named: [[[severity, text], ...], ...].
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { Fhir } = createRequire(import.meta.url)('fhir');
const fhir = new Fhir();

function issuesOf(resource) {
  try {
    return fhir.validate(resource, { errorOnUnexpected: true }).messages ?? [];
  } catch (error) {
    return [{ severity: 'error', location: resource.resourceType, message: `it broke: ${error}` }];
  }
}

const jobs = JSON.parse(fs.readFileSync(0));
const told = (message) => [message.severity, `${message.location}: ${message.message}`];
fs.writeFileSync(process.argv[2], JSON.stringify(jobs.map((resource) => issuesOf(resource).map(told))));
process.exit();
