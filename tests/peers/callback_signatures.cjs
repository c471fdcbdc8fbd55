// Checks and makes callback signatures by the vendors' own packages. Reads a JSON list of cases from standard
// input, prints the list of what is said of each. The certificate comes from the case, in place of SNS.
const crypto = require('crypto');
const https = require('https');
const { PassThrough } = require('stream');
const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody } = require('twilio/lib/webhooks/webhooks');
const { EventWebhook } = require('@sendgrid/eventwebhook');
const MessageValidator = require('sns-validator');

const says = {
  twilioSigns: ({ token, url, form }) => getExpectedTwilioSignature(token, url, form),
  twilioValidates: ({ token, signature, url, form }) => validateRequest(token, signature, url, form),
  twilioValidatesBody: ({ token, signature, url, body }) => validateRequestWithBody(token, signature, url, body),
  sendgridValidates: ({ key, signature, timestamp, body }) => {
    try {
      const webhook = new EventWebhook();
      return webhook.verifySignature(webhook.convertPublicKeyToECDSA(key), body, signature, timestamp);
    } catch {
      return false;
    }
  },
  sendgridSigns: ({ timestamp, body }) => {
    const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const signature = crypto.sign('sha256', Buffer.from(timestamp + body), privateKey).toString('base64');
    return { signature, key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') };
  },
  snsValidates: ({ fields, certificate }) =>
    new Promise((resolve) => {
      // The validator's one way to a certificate is https.get, without a setting.
      https.get = (url, answer) => {
        const response = new PassThrough();
        response.statusCode = 200;
        answer(response);
        response.end(certificate);
        return { on: () => undefined };
      };
      new MessageValidator().validate(fields, (error) => resolve(!error));
    }),
};

(async () => {
  const cases = JSON.parse(require('fs').readFileSync(0, 'utf-8'));
  const answers = [];
  for (const one of cases) answers.push(await says[one.does](one));
  console.log(JSON.stringify(answers));
})();
