// Sends by @parse/node-apn what it reads as JSON, and says what became of it.
const apn = require('@parse/node-apn');

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', async () => {
  const { options, url, notification, tokens } = JSON.parse(Buffer.concat(chunks));
  const provider = new apn.Provider(options);
  // The library's own way to a server without TLS.
  if (url) provider.client._mockOverrideUrl = url;
  const { sent, failed } = await provider.send(new apn.Notification(notification), tokens);
  process.stdout.write(JSON.stringify({ sent, failed }), () => process.exit(0));
});
