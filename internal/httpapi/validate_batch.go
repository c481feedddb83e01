package httpapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tokenledger/tokenledger/client/api"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/internal/wire"
)

// maxValidateBatch bounds the body of a batch of validations, in bytes.
const maxValidateBatch = 2 << 20

func validateBatch(c *call) error {
	raw, err := c.body(maxValidateBatch)
	if err != nil {
		return err
	}
	cmds, minSeq, err := batchOf(raw)
	if err != nil {
		return err
	}
	verdicts, over, asOf, err := c.api.Ledger.ValidateMany(c.r.Context(), c.session, cmds, minSeq)
	if err != nil {
		return err
	}
	body := append(make([]byte, 0, 256*len(verdicts)), `{"answers":[`...)
	for i, v := range verdicts {
		if i > 0 {
			body = append(body, ',')
		}
		if e, ok := errors.AsType[*commands.Error](over[i]); ok {
			body = append(append(append(body, `{"active":false,"code":"`...), e.Code...), '"')
		} else if body, err = wire.AppendVerdict(body, v); err != nil {
			return err
		}
		body = append(body, '}')
	}
	body = append(body, `],"as_of_seq":`...)
	body = append(strconv.AppendUint(body, asOf, 10), "}\n"...)
	return c.write("application/json", http.StatusOK, body)
}

// batchOf decodes the body of a batch of validations.
func batchOf(raw []byte) (cmds []commands.Validate, minSeq uint64, err error) {
	var in api.ValidateBatchRequest
	if err := wire.Decode(raw, &in); err != nil {
		return nil, 0, err
	}
	cmds = make([]commands.Validate, min(len(in.Tokens), commands.MaxValidations+1))
	for i := range cmds {
		if cmds[i], err = wire.ValidateCommand(in.Tokens[i]); err != nil {
			return nil, 0, commands.AtItem(i, err)
		}
	}
	return cmds, in.MinSeq, nil
}
