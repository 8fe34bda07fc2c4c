// A FHIR R4 server in memory on Medplum's router, for our pushes: node fhir_receiver.mjs PORT FOLDER_WITH_NODE_MODULES
// Every resource that comes in is checked against the R4 definitions; a bad one is refused with an OperationOutcome.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [port, packages] = process.argv.slice(2);
const medplum = (...names) => path.join(packages, 'node_modules', '@medplum', ...names);
const load = (name) => import(pathToFileURL(medplum(name, 'dist', 'esm', 'index.mjs')).href);
const readJson = (name) => JSON.parse(fs.readFileSync(medplum('definitions', 'dist', 'fhir', 'r4', name)));
const { FhirRouter, MemoryRepository } = await load('fhir-router');
const { indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } = await load('core');

indexStructureDefinitionBundle(readJson('profiles-types.json'));
indexStructureDefinitionBundle(readJson('profiles-resources.json'));
indexSearchParameterBundle(readJson('search-parameters.json'));

const STATUS = { ok: 200, created: 201, 'not-found': 404, 'not-modified': 304 };
const repository = new MemoryRepository();
const router = new FhirRouter();

function check(body) {
  const resources = body.resourceType === 'Bundle' ? (body.entry ?? []).map((entry) => entry.resource) : [body];
  resources.filter(Boolean).forEach((resource) => validateResource(resource));
}

function outcomeOf(error) {
  const issue = { severity: 'error', code: 'exception', diagnostics: String(error) };
  return error.outcome ?? { resourceType: 'OperationOutcome', issue: [issue] };
}

async function answer(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const body = text ? JSON.parse(text) : undefined;
  if (body) check(body);
  const url = new URL(request.url, 'http://localhost');
  const query = Object.fromEntries([...url.searchParams.keys()].map((key) => [key, url.searchParams.get(key)]));
  const { method, headers } = request;
  const call = { method, url: url.pathname + url.search, body, params: {}, query, headers };
  const [outcome, resource] = await router.handleRequest(call, repository);
  return [STATUS[outcome.id] ?? 400, resource ?? outcome];
}

http
  .createServer(async (request, response) => {
    const [status, body] = await answer(request).catch((error) => [400, outcomeOf(error)]);
    response.writeHead(status, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify(body));
  })
  .listen(Number(port), '127.0.0.1');
