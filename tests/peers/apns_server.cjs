// An APNs of a few lines, on node's own HTTP/2 and with a JWT library of others. Reads its settings as one line of
// JSON; says its port, then each request. A device token `answer-<status>-<reason>` gets just that.
const http2 = require('node:http2');
const readline = require('node:readline');
const jwt = require('jsonwebtoken');

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function fault(headers, body, settings) {
  const [scheme, token] = (headers.authorization || '').split(' ');
  if (scheme !== 'bearer') return [403, 'MissingProviderToken'];
  try {
    const { header, payload } = jwt.verify(token, settings.publicKey, { algorithms: ['ES256'], complete: true, maxAge: '1h' });
    if (header.kid !== settings.keyId || payload.iss !== settings.teamId) return [403, 'InvalidProviderToken'];
  } catch (error) {
    return [403, error.name === 'TokenExpiredError' ? 'ExpiredProviderToken' : 'InvalidProviderToken'];
  }
  if (headers[':method'] !== 'POST') return [405, 'MethodNotAllowed'];
  if (!headers[':path'].startsWith('/3/device/')) return [404, 'BadPath'];
  if (headers['apns-topic'] !== settings.topic) return [400, 'BadTopic'];
  if (headers['apns-id'] && !UUID.test(headers['apns-id'])) return [400, 'BadMessageId'];
  if (!['1', '5', '10', undefined].includes(headers['apns-priority'])) return [400, 'BadPriority'];
  if (!/^\d*$/.test(headers['apns-expiration'] || '')) return [400, 'BadExpirationDate'];
  if (Buffer.byteLength(headers['apns-collapse-id'] || '') > 64) return [400, 'BadCollapseId'];
  if (body.length > 4096) return [413, 'PayloadTooLarge'];
  const asked = /^\/3\/device\/answer-(\d+)-(\w+)$/.exec(headers[':path']);
  return asked && [Number(asked[1]), asked[2]];
}

readline.createInterface({ input: process.stdin }).once('line', (line) => {
  const settings = JSON.parse(line);
  const server = settings.tls ? http2.createSecureServer(settings.tls) : http2.createServer();
  let sessions = 0;
  server.on('session', () => { sessions += 1; });
  server.on('stream', (stream, headers) => {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      const found = fault(headers, body, settings);
      say({ headers, body: body.toString(), sessions, fault: found && found[1] });
      stream.respond({ ':status': found ? found[0] : 200, 'apns-id': headers['apns-id'] || 'made-here' });
      stream.end(found ? JSON.stringify({ reason: found[1] }) : undefined);
    });
  });
  server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
});
