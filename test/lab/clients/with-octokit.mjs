// Octokit as actions use it, with its plugins: calls as `[name, method, ...arguments]`, results by name.
import { Octokit } from '@octokit/rest';
import { retry } from '@octokit/plugin-retry';

const [baseUrl, calls] = process.argv.slice(2);
const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, () => {}]));
const octokit = new (Octokit.plugin(retry))({ auth: process.env.TOKEN, baseUrl, log });
const results = {};
for (const [name, method, ...args] of JSON.parse(calls)) {
  const call = method.split('.').reduce((owner, key) => owner[key], octokit);
  try {
    const told = await call(...args);
    results[name] =
      told?.headers === undefined ? told : { status: told.status, data: told.data, etag: told.headers.etag };
  } catch (error) {
    results[name] = { status: error.status, error: error.message };
  }
}
console.log(JSON.stringify(results));
