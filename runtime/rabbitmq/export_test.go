package rabbitmq

// SharedURL is the address of the broker that tests share, for Examples.
func SharedURL() (string, error) {
	s, err := sharedServer()
	if err != nil {
		return "", err
	}
	return s.URL, nil
}
