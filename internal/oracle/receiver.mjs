// A receiver that verifies with the npm package x-hub-signature: POST /sha1 or /sha256. It prints the port it listens on
// and ends when its standard input does.
import http from 'node:http';
import XHubSignature from 'x-hub-signature';

const secret = process.env.ORACLE_SECRET;
const headers = { sha1: 'x-hub-signature', sha256: 'x-hub-signature-256' };

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const algorithm = request.url.slice(1);
  if (!new XHubSignature(algorithm, secret).verify(request.headers[headers[algorithm]], body)) {
    response.writeHead(403).end('refused');
    return;
  }
  const { operationId, data } = JSON.parse(body);
  response.end(`triggered ${operationId} ${data.entities[0].event}`);
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
