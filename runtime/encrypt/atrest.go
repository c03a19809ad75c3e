package encrypt

import "github.com/taskgen/taskgen/runtime"

// Seal is Encrypt for a task that lies in a store of jobs until it is due: what it
// returns belongs to the job whose ID the task has, and no queue takes it.
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

// Results returns results with what [KeyRing.Handle] does to them undone: give it to
// generated Await functions. Results that are not encrypted pass, unless the ring was
// made with [RequireAll]. Errors wrap [ErrUnknownKey], [runtime.ErrInvalidTask] where
// a result was changed or is another task's, or [ErrNotEncrypted].
func (r *KeyRing) Results(from runtime.Results) runtime.Results {
	return runtime.DecodeResults(from, r.decryptResult)
}

// bare is what a result is bound to: whoever awaits it knows no more.
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
