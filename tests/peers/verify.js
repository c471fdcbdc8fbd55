// Verifies what Tidings signs, by npm standardwebhooks and by svix. Reads a JSON list of
// {secret, headers, body} from standard input; prints for each what each library says.
const libraries = { standardwebhooks: require('standardwebhooks').Webhook, svix: require('svix').Webhook };

const cases = JSON.parse(require('fs').readFileSync(0, 'utf-8'));
const says = (Webhook, { secret, headers, body }) => {
  try {
    return { payload: new Webhook(secret).verify(body, headers) };
  } catch (error) {
    return { refused: error.message };
  }
};
console.log(
  JSON.stringify(
    cases.map((given) =>
      Object.fromEntries(Object.entries(libraries).map(([name, Webhook]) => [name, says(Webhook, given)])),
    ),
  ),
);
