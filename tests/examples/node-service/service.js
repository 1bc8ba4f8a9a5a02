// Answers on $PORT with a greeting and the release it is of.
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { greeting } = require('greeting');

const release = readFileSync(`${__dirname}/release.txt`, 'utf8').trim();
createServer((request, response) => {
  response.end(request.url === '/healthz' ? 'well\n' : `${greeting} from ${release}\n`);
}).listen(process.env.PORT, '127.0.0.1');
