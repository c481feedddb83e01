// Introspects and revokes a token through discovery (RFC 8414) and prints what came of it
// as JSON. By WAY the client shows itself: "basic", or "bearer".
import * as client from 'openid-client'

const { ISSUER, WAY, CLIENT_ID, CLIENT_SECRET, TOKEN } = process.env

const bearer = (_server, _client, _body, headers) => headers.set('authorization', `Bearer ${CLIENT_SECRET}`)
const config = await client.discovery(
  new URL(ISSUER), CLIENT_ID, undefined,
  WAY === 'basic' ? client.ClientSecretBasic(CLIENT_SECRET) : bearer,
  // The node of the test listens on loopback without TLS.
  { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
)

const before = await client.tokenIntrospection(config, TOKEN)
await client.tokenRevocation(config, TOKEN)
const after = await client.tokenIntrospection(config, TOKEN)
await client.tokenRevocation(config, 'what is no token')

const stranger = await client.discovery(
  new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic('a wrong secret'),
  { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
)
let refused
try {
  await client.tokenIntrospection(stranger, TOKEN)
} catch (err) {
  refused = { status: err.status, error: err.error ?? err.cause?.[0]?.scheme }
}
console.log(JSON.stringify({ before, after, refused }))
