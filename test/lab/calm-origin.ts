// A web server as a process of its own, which no flood of another runner keeps busy. It answers every request at once.
// Arguments: address, file of the certificate, file of its key. Prints `listening`.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [address = '', certificate = '', key = ''] = process.argv.slice(2);
const server = createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  (request, response) => {
    request.resume();
    response.end('calm\n');
  },
);
server.keepAliveTimeout = 120_000;
server.listen(443, address, () => process.stdout.write('listening\n'));
