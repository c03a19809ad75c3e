package nats

// SharedURL is the address of the server that tests share, for Examples.
func SharedURL() (string, error) {
	s, err := shared()
	if err != nil {
		return "", err
	}
	return s.URL, nil
}
