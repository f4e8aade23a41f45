// The types of the admin API's answers for `jsconfig.json`, from the document that the server describes itself with.

import { readFileSync, writeFileSync } from 'node:fs';
import openapi, { astToString } from 'openapi-typescript';

const document = JSON.parse(readFileSync(new URL('../../plugin/core/src/http/openapi.json', import.meta.url), 'utf8'));
// The server adds these to the document when it is asked for it, from the schemas of its resources. The page shows a resource
// as a list of whatever it has, so any object will do.
for (const name of ['UserResource', 'NewUser', 'GroupResource', 'NewGroup']) document.components.schemas[name] = { type: 'object' };
writeFileSync(new URL('openapi.d.ts', import.meta.url), astToString(await openapi(document, { emptyObjectsUnknown: true })));
