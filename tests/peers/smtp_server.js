// npm smtp-server as a relay that refuses by local part: "450.ada@", "550.ada@" at RCPT, "data451.ada@" after
// the content. Prints one JSON line for each connection, log-in and mail. Arguments: port, user, password.
const { SMTPServer } = require('smtp-server');

const [port, user, password] = process.argv.slice(2);
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code });

const server = new SMTPServer({
  authOptional: !user,
  authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
  allowInsecureAuth: true,
  disableReverseLookup: true,
  disabledCommands: ['STARTTLS'],
  logger: false,
  onConnect: (session, done) => { say({ event: 'connection' }); done(); },
  onAuth: (auth, session, done) => {
    const right = auth.method === 'CRAM-MD5' ? auth.validatePassword(password) : auth.password === password;
    say({ event: 'auth', method: auth.method, right });
    if (auth.username === user && right) done(null, { user });
    else done(refusal(535, '5.7.8 Wrong credentials'));
  },
  onRcptTo: (address, session, done) => {
    const [, code] = /^([45]\d\d)\./.exec(address.address) || [];
    done(code ? refusal(Number(code), code[0] === '4' ? '4.2.1 Later' : '5.1.1 Unknown') : null);
  },
  onData: (stream, session, done) => {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const recipients = session.envelope.rcptTo.map((recipient) => recipient.address);
      const [, code] = /^data([45]\d\d)\./.exec(recipients[0]) || [];
      if (code) return done(refusal(Number(code), code[0] === '4' ? '4.3.0 Later' : '5.6.0 Never'));
      say({ event: 'mail', recipients, content: Buffer.concat(chunks).toString('utf-8') });
      done(null, 'queued as ' + session.id);
    });
  },
});
server.on('error', (error) => say({ event: 'error', message: error.message }));
server.listen(Number(port), '127.0.0.1');
