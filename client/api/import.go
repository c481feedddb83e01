package api

// ConnectionDuplex is the option of the header Connection by which a client asks that
// the results of an import go out while it still sends: it reads the answer meanwhile.
// No proxy passes it on, so that it holds for a direct connection alone.
const ConnectionDuplex = "ledger-duplex"
