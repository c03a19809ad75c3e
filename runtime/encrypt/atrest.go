package encrypt

import (
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Seal is Encrypt for a task that stays in a job store until it is due. The ciphertext
// belongs to the job with the task's ID, and no queue takes it.
func (r *KeyRing) Seal(t *runtime.Task) (*runtime.Task, error) {
	if t.LastEncoding() == Encoding {
		return t, nil
	}
	return t.Encoded(Encoding, r.encode(ofJob, t)), nil
}

// Unseal undoes Seal. Its errors are those of Decrypt.
func (r *KeyRing) Unseal(t *runtime.Task) (*runtime.Task, error) {
	if t.LastEncoding() != Encoding {
		if r.requireAll || r.required[t.Type] {
			return nil, inClear(ofJob, t)
		}
		return t, nil
	}
	payload, err := r.decode(ofJob, t)
	if err != nil {
		return nil, err
	}
	return t.Decoded(payload), nil
}

// Results decrypts the results that [KeyRing.Handle] encrypted: pass it to generated
// Await functions. Results that are not encrypted pass, unless the ring was made with
// [RequireAll]. Errors wrap [ErrUnknownKey], [runtime.ErrInvalidTask] if a result was
// changed or belongs to another task, or [ErrNotEncrypted].
func (r *KeyRing) Results(from runtime.Results) runtime.Results {
	return driver.DecodeResults(from, r.decryptResult)
}

// bare is the identity to which a result is bound: the code that awaits it knows no more.
func bare(t *runtime.Task) *runtime.Task {
	return &runtime.Task{ID: t.ID, Payload: t.Payload, Encoding: t.Encoding}
}

func (r *KeyRing) encryptResult(t *runtime.Task) *runtime.Task {
	return t.Encoded(Encoding, r.encode(ofResult, bare(t)))
}

func (r *KeyRing) decryptResult(t *runtime.Task) (*runtime.Task, error) {
	if t.LastEncoding() != Encoding {
		if r.requireAll {
			return nil, inClear(ofResult, t)
		}
		return t, nil
	}
	payload, err := r.decode(ofResult, bare(t))
	if err != nil {
		return nil, err
	}
	return t.Decoded(payload), nil
}
