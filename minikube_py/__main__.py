"""`python -m minikube_py`: the command line."""

from minikube_py.cli import main

if __name__ == "__main__":
    main()
