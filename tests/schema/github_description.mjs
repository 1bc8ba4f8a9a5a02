// GitHub's own OpenAPI description, cut down to what commit-status asks for, with the rules that the live API
// keeps and the description does not say.
import fs from 'node:fs';

// All that commit-status ever sends; anything else is no path of the description, so Prism refuses it.
export const operations = [
  'GET /commits/{ref}',
  'GET /commits/{ref}/check-runs',
  'GET /commits/{ref}/status',
  'POST /statuses/{sha}',
  'POST /check-runs',
  'GET /check-runs/{check_run_id}',
  'PATCH /check-runs/{check_run_id}',
  'GET /deployments',
  'POST /deployments',
  'GET /deployments/{deployment_id}',
  'GET /deployments/{deployment_id}/statuses',
  'POST /deployments/{deployment_id}/statuses',
];

const repository = '/repos/{owner}/{repo}';

// The named operations, and all they refer to.
function cut(whole) {
  const part = { openapi: whole.openapi, info: whole.info, servers: [{ url: 'http://127.0.0.1' }], paths: {} };
  for (const operation of operations) {
    const [method, rest] = operation.split(' ');
    const found = whole.paths[repository + rest]?.[method.toLowerCase()];
    if (!found) throw new Error(`GitHub's description has no ${operation}`);
    (part.paths[repository + rest] ??= {})[method.toLowerCase()] = found;
  }
  const taken = new Set();
  const take = (node) => {
    if (node === null || typeof node !== 'object') return;
    for (const [key, value] of Object.entries(node)) {
      if (key !== '$ref' || typeof value !== 'string') take(value);
      else if (!taken.has(value)) {
        taken.add(value);
        const [, components, kind, name] = value.split('/');
        ((part[components] ??= {})[kind] ??= {})[name] = whole[components][kind][name];
        take(whole[components][kind][name]);
      }
    }
  };
  take(part.paths);
  return part;
}

// What a validator cannot read it leaves out without a word. "nullable" needs a type beside it, which GitHub's choices
// have not; an empty text is what GitHub says of an address that there is none of, and no address.
function mend(schema) {
  if (schema === null || typeof schema !== 'object') return;
  Object.values(schema).forEach(mend);
  if (schema.nullable && !schema.type && schema.oneOf) {
    delete schema.nullable;
    schema.oneOf.push({ enum: [null] });
  }
  if (schema.format === 'uri' && schema.default === '') delete schema.format;
}

// A field that it does not know GitHub drops without a word: here it is a mistake.
function seal(schema) {
  if (schema === null || typeof schema !== 'object') return;
  if (schema.type === 'object' && schema.properties) schema.additionalProperties ??= false;
  Object.values(schema).forEach(seal);
}

function harden(part) {
  mend(part);
  const at = (operation) => {
    const [method, rest] = operation.split(' ');
    return part.paths[repository + rest][method.toLowerCase()];
  };
  const body = (operation) => at(operation).requestBody.content['application/json'].schema;

  for (const operation of operations) if (at(operation).requestBody) seal(body(operation));

  // The live API's answers to each: 422, "is too long (maximum is ...)" and "must use http(s) scheme".
  for (const operation of ['POST /statuses/{sha}', 'POST /deployments', 'POST /deployments/{deployment_id}/statuses']) {
    body(operation).properties.description.maxLength = 140;
  }
  body('POST /statuses/{sha}').properties.context.maxLength = 255;
  for (const [operation, fields] of [
    ['POST /statuses/{sha}', ['target_url']],
    ['POST /check-runs', ['details_url']],
    ['PATCH /check-runs/{check_run_id}', ['details_url']],
    ['POST /deployments/{deployment_id}/statuses', ['target_url', 'log_url', 'environment_url']],
  ]) {
    for (const field of fields) body(operation).properties[field].pattern = '^https?://';
  }

  // A status is of a whole SHA: 422, "No commit found for SHA".
  at('POST /statuses/{sha}').parameters = at('POST /statuses/{sha}').parameters.map((parameter) =>
    parameter.name === 'sha' ? { ...parameter, schema: { type: 'string', pattern: '^[0-9a-f]{40}$' } } : parameter,
  );

  // Completed is what has a conclusion; only GitHub itself writes "stale".
  for (const operation of ['POST /check-runs', 'PATCH /check-runs/{check_run_id}']) {
    const check = body(operation);
    delete check.oneOf;
    check.anyOf = [{ required: ['conclusion'] }, { not: { required: ['status'], properties: { status: { enum: ['completed'] } } } }];
    check.properties.conclusion.enum = check.properties.conclusion.enum.filter((name) => name !== 'stale');
  }

  // Without a User-Agent all is refused (403). The version is asked for so that a later one changes nothing.
  const headers = [
    { name: 'User-Agent', in: 'header', required: true, schema: { type: 'string', minLength: 1 } },
    { name: 'X-GitHub-Api-Version', in: 'header', required: true, schema: { type: 'string', enum: ['2022-11-28'] } },
  ];
  part.components.securitySchemes = { token: { type: 'http', scheme: 'bearer' } };
  for (const operation of operations) {
    at(operation).parameters = [...(at(operation).parameters ?? []), ...headers];
    at(operation).security = [{ token: [] }];
    // A question with If-None-Match: GitHub documents it for all of its API in one place.
    if (operation.startsWith('GET')) at(operation).responses[304] ??= { description: 'Not modified' };
  }
  return part;
}

export function write_description(from, to) {
  fs.writeFileSync(to, JSON.stringify(harden(cut(JSON.parse(fs.readFileSync(from, 'utf8'))))));
}
